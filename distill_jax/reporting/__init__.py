"""Run folders in words, tables and charts; nothing here knows of training."""
