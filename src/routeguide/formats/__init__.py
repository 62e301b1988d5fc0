"""Files of features: upstream's JSON, GeoJSON and CSV, read and written as streams.

`reading.read_features` and `writing.feature_writer` are the way in and out.
"""
