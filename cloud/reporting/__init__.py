"""The inspection report: one set of facts from the database, said as PDF, HTML, CSV and GeoJSON."""
