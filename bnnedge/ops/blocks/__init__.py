"""Blocks of binary convolutions, for residual and plain networks.

Every block takes real images and binarises in front of its convolutions, checks what it is given,
and owns its configuration: enums and frozen values that blocks may share because nothing can
change them. With stride 2 an image of H × W comes out as ⌈H/2⌉ × ⌈W/2⌉ on every path.

Import the submodules.
"""
