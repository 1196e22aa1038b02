"""Which student to ship: what each costs and gives, beside simple baselines and the teacher."""
