from cloud_conductor.serve.valve import IN_HAND_MAX, IN_HAND_MIN, WAIT_S_MAX, Valve


def flow(valve: Valve, *, places_a_second: float, seconds: float) -> float:
    """A machine that makes so many durable a second, more senders than places; the last wait."""
    now = waited_s = 0.0
    while now < seconds:
        taken = max(1, int(valve.limit))
        waited_s = taken / places_a_second
        now += waited_s
        valve.in_hand += taken
        for _ in range(taken):
            valve.leave(waited_s, now)
    return waited_s


def test_a_quick_machine_takes_all_it_may():
    valve = Valve()
    assert flow(valve, places_a_second=20_000, seconds=2) < WAIT_S_MAX
    assert valve.limit == IN_HAND_MAX


def test_a_slow_machine_takes_fewer_until_they_are_in_time():
    valve = Valve()
    assert flow(valve, places_a_second=1_000, seconds=10) < 2 * WAIT_S_MAX
    assert IN_HAND_MIN <= valve.limit < IN_HAND_MAX / 3


def test_a_machine_that_was_slow_is_trusted_again():
    valve = Valve()
    flow(valve, places_a_second=500, seconds=10)
    assert valve.limit < 100
    flow(valve, places_a_second=20_000, seconds=2)
    assert valve.limit == IN_HAND_MAX


def test_it_never_shuts_for_good():
    valve = Valve()
    flow(valve, places_a_second=1, seconds=600)
    assert valve.limit >= IN_HAND_MIN
    assert valve.is_open
