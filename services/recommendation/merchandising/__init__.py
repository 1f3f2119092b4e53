"""Placements and rules as merchandisers keep them, and the preview of what rules would change."""
