"""Converts a parameter of our tables to a ROS descriptor."""

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

from uplift_ros.parameters import Parameter


def descriptor(parameter: Parameter) -> ParameterDescriptor:
    """Descriptor that `ros2 param describe` and rqt show: description, allowed values, limits."""
    described = ParameterDescriptor(
        description=parameter.description,
        additional_constraints=parameter.allowed,
        read_only=not parameter.dynamic,
        # The table checks the type itself: it accepts an integer for a float, which ROS does not.
        dynamic_typing=True,
    )
    if parameter.limited:
        if isinstance(parameter.default, float):
            limits = FloatingPointRange(from_value=parameter.minimum, to_value=parameter.maximum)
            described.floating_point_range = [limits]
        else:
            whole = IntegerRange(from_value=int(parameter.minimum), to_value=int(parameter.maximum), step=1)
            described.integer_range = [whole]
    return described
