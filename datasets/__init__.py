"""Raw releases -> prepared tensors -> splits. A leaf package; importing it costs nothing."""
