"""DynamoWave Chat: everything that is deployed beside app.py."""

__version__ = "0.1.0"
