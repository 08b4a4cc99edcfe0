"""Spell out numbers, one module per class: dates, times, money, units and others."""
