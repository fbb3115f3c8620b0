"""`kestrel backup` and `kestrel restore`: the whole state of an instance as one parcel, and back."""
