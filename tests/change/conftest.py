"""The stacks of the faults, changed under load."""

from tests.faults.conftest import failing_image, new_stack, stack, standing, state_dir

__all__ = ["failing_image", "new_stack", "stack", "standing", "state_dir"]
