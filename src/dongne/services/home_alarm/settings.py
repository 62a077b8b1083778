"""What a city, and each home, may tune: how long each class of alarm asks, waits and holds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Durations count from the step before; the page says which class uses which."""

    exercise: bool = False  # nothing from this home, or city, reaches 119
    button_at_once: bool = True  # a pressed button tells 119 without asking first
    ask_fire_s: float = 30.0  # a single detector: asked, and told to 119 if it goes on for so long
    ask_heart_s: float = 20.0
    ask_fall_s: float = 30.0  # twice
    ask_vital_s: float = 60.0  # twice
    responder_s: float = 120.0  # a responder may take so long to answer before 119 is told
    arrive_s: float = 900.0  # who said that they go there has so long
    care_call_s: float = 300.0
    phone_s: float = 600.0  # a guardian, then a nurse
    visit_s: float = 1800.0
    recheck_s: float = 600.0  # "I am fine" is asked again after so long
    fire_hold_s: float = 180.0  # ... and where a detector was raised; it must be quiet by then
    called_again_s: float = 60.0  # with 119 under way: "fine" is asked again after so long
    fine_twice_ends_119: bool = False  # "fine" said twice takes the call to 119 back; else 119 is only told of it
    dispatch_s: float = 60.0  # without a person's word from 119 for so long, an operator calls
    follow_s: float = 1800.0  # after 119 has it, an operator is asked to close the case
    remind_s: float = 300.0  # an operator is told again
    again_s: float = 300.0  # 119 is told of the same alarm again not before
    join_s: float = 600.0  # detectors within so long of each other speak for one fire
    late_s: float = 1800.0  # what a gateway kept for longer is asked about, and goes to an operator
    rhythm_s: float = 10.0  # ventricular fibrillation or asystole
    tachycardia_s: float = 30.0
    good_quality: float = 0.5
    still_s: float = 60.0  # motion within so long contradicts a rhythm without pulse
    heart_rate_low_per_min: float = 35.0
    heart_rate_high_per_min: float = 160.0
    oxygen_low_percent: float = 80.0
    vital_readings: int = 3
    vital_s: float = 60.0
    own_band_s: float = 600.0  # out of the person's own band for so long
    watches_inactivity: bool = True
    quiet_least_h: float = 8.0
    quiet_most_h: float = 16.0
    quiet_first_h: float = 12.0  # while a person's day is not known yet
    away_least_h: float = 32.0
    away_most_h: float = 40.0
    leave_s: float = 120.0  # who opens the door and is not seen after so long has left
    battery_low_percent: float = 15.0
