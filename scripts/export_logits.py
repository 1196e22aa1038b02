"""Export a teacher's logits: ``python scripts/export_logits.py --help``."""

from teacher_export.command_line import main

if __name__ == "__main__":
    main()
