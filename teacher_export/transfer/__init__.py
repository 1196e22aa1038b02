"""The transfer set: further texts that the teacher alone labels."""
