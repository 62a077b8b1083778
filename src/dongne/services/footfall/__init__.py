"""Footfall: is a place more crowded than usual, and what will the next hours bring?"""
