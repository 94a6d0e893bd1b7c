"""The local stack: functions, emulators and the demo on one machine."""
