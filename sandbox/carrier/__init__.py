"""The carrier's side: parcels and the Kuaidi100 query."""
