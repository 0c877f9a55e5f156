"""How a model is made from rows, and how it predicts: encoding, fits, window choice, predictor."""
