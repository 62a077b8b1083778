"""Which position of a platform each car of a train meets.

Positions are counted from 1 along the platform, the same way for both directions: 1 is where the longest train of direction 0 has its
head, so a train of direction 1 has its head at the other end.
"""


def position_of(car: int, cars: int, positions: int, direction_id: int) -> int:
    """The position of the car that is `car`-th from the head (1 is the head) of a train of `cars`, which stops in the middle of a
    platform with room for `positions`; where the rest can't be halved, nearer to its own head's end.

    Raises ValueError for a car the train has not, and for a train longer than the platform.
    """
    if not 1 <= car <= cars <= positions:
        raise ValueError(f"car {car} of {cars} at a platform for {positions}")
    from_head = (positions - cars) // 2 + car
    return from_head if direction_id == 0 else positions + 1 - from_head
