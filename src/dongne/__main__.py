"""`python -m dongne` is the command `dongne`."""

from dongne.cli import main

raise SystemExit(main())
