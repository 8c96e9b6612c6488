"""AWS and Genesys Cloud as one fast process on loopback, which counts everything it is asked.

Not an emulator: it keeps just enough state to hand out each event once and to tell what became of it.
"""
