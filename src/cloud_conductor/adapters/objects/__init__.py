"""Object stores (ports.objects.ObjectStore)."""
