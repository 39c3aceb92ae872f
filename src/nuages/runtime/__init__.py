"""What runs inside the project's processes; each release carries a copy under the name nuages_runtime."""
