"""The errors that a user can meet. Each message names the thing at fault, what is wrong and what to do."""


class MaccapError(Exception):
    """Base of all errors that the command line prints without a traceback."""


class ConfigError(MaccapError):
    """The configuration asks for something that does not exist or does not fit together."""


class DataError(MaccapError):
    """An input file is missing, damaged or inconsistent."""


class EncoderError(MaccapError):
    """An encoder or an adaptor cannot do what the method needs, or their sizes differ."""


class EnvironmentProblem(MaccapError):
    """The machine lacks something: Java, disk space, a library."""
