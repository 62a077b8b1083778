"""DCAT-AP 3.0: a catalogue of data sets as RDF, written as Turtle and JSON-LD."""
