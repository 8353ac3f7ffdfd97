"""What an audit says of data: `part.measure_data`."""
