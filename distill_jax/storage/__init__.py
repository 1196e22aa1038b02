"""Object storage (``s3://``, ``gs://``, … by fsspec): objects are copied to and from files, which all else works on."""
