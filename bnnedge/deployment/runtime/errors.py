"""What can go wrong between this machine and the board, as one line each."""


class AcceleratorError(Exception):
    """The base of all errors here; its text says what was wanted, what came, and what to do."""


class PackageError(AcceleratorError):
    """A file of the package is missing, damaged or of another version."""


class InputError(AcceleratorError):
    """The inputs are not what the network takes."""


class DeviceError(AcceleratorError):
    """The device does not answer, answers with an error, or is another network."""
