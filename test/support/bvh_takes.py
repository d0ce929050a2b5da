"""BVH files of one person, in the names that several programs give to joints."""

MOTIONBUILDER = {
    "root": "Hips", "spine": "Spine", "neck": "Neck", "head": "Head", "collar": "{}Shoulder", "shoulder": "{}Arm",
    "elbow": "{}ForeArm", "wrist": "{}Hand", "hip": "{}UpLeg", "knee": "{}Leg", "ankle": "{}Foot",
    "sides": ("Left", "Right"),
}  # fmt: skip
MIXAMO = {key: f"mixamorig:{value}" if key != "sides" else value for key, value in MOTIONBUILDER.items()}
MAX = MOTIONBUILDER | {
    "collar": "{}Collar", "shoulder": "{}UpArm", "elbow": "{}LowArm", "hip": "{}Hip", "knee": "{}Knee",
    "ankle": "{}Ankle",
}  # fmt: skip
DAZ = MOTIONBUILDER | {
    "root": "hip", "spine": "abdomen", "neck": "neck", "head": "head", "collar": "{}Collar", "shoulder": "{}Shldr",
    "elbow": "{}ForeArm", "wrist": "{}Hand", "hip": "{}Thigh", "knee": "{}Shin", "ankle": "{}Foot", "sides": ("l", "r"),
}  # fmt: skip
SMPL = MOTIONBUILDER | {
    "root": "pelvis", "spine": "spine1", "neck": "neck", "head": "head", "collar": "{}_collar",
    "shoulder": "{}_shoulder", "elbow": "{}_elbow", "wrist": "{}_wrist", "hip": "{}_hip", "knee": "{}_knee",
    "ankle": "{}_ankle", "sides": ("left", "right"),
}  # fmt: skip
UNREAL = MOTIONBUILDER | {
    "root": "pelvis", "spine": "spine_01", "neck": "neck_01", "head": "head", "collar": "clavicle_{}",
    "shoulder": "upperarm_{}", "elbow": "lowerarm_{}", "wrist": "hand_{}", "hip": "thigh_{}", "knee": "calf_{}",
    "ankle": "foot_{}", "sides": ("l", "r"),
}  # fmt: skip
RIGIFY = MOTIONBUILDER | {
    "root": "spine", "spine": "spine.001", "neck": "spine.004", "head": "spine.006", "collar": "shoulder.{}",
    "shoulder": "upper_arm.{}", "elbow": "forearm.{}", "wrist": "hand.{}", "hip": "thigh.{}", "knee": "shin.{}",
    "ankle": "foot.{}", "sides": ("L", "R"),
}  # fmt: skip
RIGIFY_DEFORM = {key: f"DEF-{value}" if key != "sides" else value for key, value in RIGIFY.items()}
BIPED = MOTIONBUILDER | {
    "root": "Bip01", "spine": "Bip01 Spine", "neck": "Bip01 Neck", "head": "Bip01 Head", "collar": "Bip01 {} Clavicle",
    "shoulder": "Bip01 {} UpperArm", "elbow": "Bip01 {} Forearm", "wrist": "Bip01 {} Hand", "hip": "Bip01 {} Thigh",
    "knee": "Bip01 {} Calf", "ankle": "Bip01 {} Foot", "sides": ("L", "R"),
}  # fmt: skip
VRM = MOTIONBUILDER | {
    "root": "J_Bip_C_Hips", "spine": "J_Bip_C_Spine", "neck": "J_Bip_C_Neck", "head": "J_Bip_C_Head",
    "collar": "J_Bip_{}_Shoulder", "shoulder": "J_Bip_{}_UpperArm", "elbow": "J_Bip_{}_LowerArm",
    "wrist": "J_Bip_{}_Hand", "hip": "J_Bip_{}_UpperLeg", "knee": "J_Bip_{}_LowerLeg", "ankle": "J_Bip_{}_Foot",
    "sides": ("L", "R"),
}  # fmt: skip
CMU = MOTIONBUILDER | {
    "root": "root", "spine": "lowerback", "neck": "lowerneck", "head": "head", "collar": "{}clavicle",
    "shoulder": "{}humerus", "elbow": "{}radius", "wrist": "{}wrist", "hip": "{}femur", "knee": "{}tibia",
    "ankle": "{}foot", "sides": ("l", "r"),
}  # fmt: skip
OPTITRACK = MOTIONBUILDER | {
    "root": "Skeleton_Hip", "spine": "Ab", "collar": "{}Shoulder", "shoulder": "{}UArm", "elbow": "{}FArm",
    "wrist": "{}Hand", "hip": "{}Thigh", "knee": "{}Shin", "ankle": "{}Foot", "sides": ("L", "R"),
}  # fmt: skip
MIXAMO_IN_BLENDER = {key: value.replace(":", "_") if key != "sides" else value for key, value in MIXAMO.items()}
CONVENTIONS = {
    "mixamo": MIXAMO, "mixamo in blender": MIXAMO_IN_BLENDER, "3dsmax": MAX, "daz": DAZ, "smpl": SMPL, "unreal": UNREAL,
    "rigify": RIGIFY, "rigify deform": RIGIFY_DEFORM, "biped": BIPED, "vrm": VRM, "cmu": CMU, "optitrack": OPTITRACK,
}  # fmt: skip
"""Names of one skeleton by the program that writes them."""


def bvh(names=MOTIONBUILDER, frames=2, unit=100.0, frame_time=0.02, **angles):
    """A person in a T pose who faces BVH's z axis, the left side towards x.

    Args:
        unit: file units per metre.
        angles: (Zrotation, Yrotation, Xrotation) of joints, degrees, by name; `root_position` in metres.
    """
    columns = []

    def joint(kind, offset, side="", children=()):
        name = names[kind].format(side)
        position = angles.get("root_position", (0.0, 0.9, 0.0))
        channels = "CHANNELS 3 Zrotation Yrotation Xrotation"
        if kind == "root":
            columns.extend(value * unit for value in position)
            channels = "CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation"
        columns.extend(angles.get(f"{kind}{'_left' * (side == names['sides'][0])}", (0, 0, 0)))
        inside = "".join(child() for child in children) or "End Site {\nOFFSET 0 0 0\n}\n"
        x, y, z = (unit * value for value in offset)
        return f"{'ROOT' if kind == 'root' else 'JOINT'} {name}\n{{\nOFFSET {x} {y} {z}\n{channels}\n{inside}}}\n"

    def chain(side, sign, *links):
        (kind, offset), *rest = links
        mirrored = (sign * offset[0], *offset[1:])
        return joint(kind, mirrored, side, [lambda: chain(side, sign, *rest)] if rest else [])

    leg = (("hip", (0.09, 0, 0)), ("knee", (0, -0.42, 0)), ("ankle", (0, -0.40, 0)))
    arm = (
        ("collar", (0.02, 0.20, 0)), ("shoulder", (0.13, 0, 0)), ("elbow", (0.28, 0, 0)), ("wrist", (0.24, 0, 0))
    )  # fmt: skip
    left, right = names["sides"]
    trunk = [
        lambda: joint("neck", (0, 0.24, 0), children=[lambda: joint("head", (0, 0.12, 0))]),
        lambda: chain(left, 1, *arm),
        lambda: chain(right, -1, *arm),
    ]
    hierarchy = joint(
        "root",
        (0, 0, 0),
        children=[
            lambda: joint("spine", (0, 0.24, 0), children=trunk),
            lambda: chain(left, 1, *leg),
            lambda: chain(right, -1, *leg),
        ],
    )
    row = " ".join(map(str, columns))
    motion = "\n".join([row] * frames)
    return f"HIERARCHY\n{hierarchy}MOTION\nFrames: {frames}\nFrame Time: {frame_time}\n{motion}\n"
