"""An alarm at home: evidence is joined, people are asked, and somebody always ends up responsible."""
