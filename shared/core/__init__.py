"""What every part of the mesh needs: errors, settings, logs, metrics, cancellation, streams."""
