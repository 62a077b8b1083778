"""Journeys by public transport from one stop to another."""
