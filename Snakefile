# The workflow is workflow/Snakefile. An included file does not set the default target, so it is named here.
include: "workflow/Snakefile"


workflow.default_target = "all"
