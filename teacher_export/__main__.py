"""``python -m teacher_export``: the same as ``python scripts/export_logits.py``."""

from teacher_export.command_line import main

if __name__ == "__main__":
    main()
