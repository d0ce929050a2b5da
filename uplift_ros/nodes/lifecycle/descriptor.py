"""A parameter of our tables as ROS describes it."""

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

from uplift_ros.parameters import Parameter


def descriptor(parameter: Parameter) -> ParameterDescriptor:
    """What `ros2 param describe` and dialogs such as rqt's show: meaning, what is allowed, limits."""
    described = ParameterDescriptor(
        description=parameter.description,
        additional_constraints=parameter.allowed,
        read_only=not parameter.dynamic,
        # The table checks the type itself: it takes a whole number for a number, which ROS does not.
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
