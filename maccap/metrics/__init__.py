"""Caption metrics, VQA accuracy and CLIPScore."""
