"""Two years of bike rentals, month by month through the inbox, and what retraining was worth."""
