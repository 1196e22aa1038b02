"""What a pass over many rows will cost: measured for a minute here, calculated and simulated from that."""
