"""Copy many images from one place to another (skopeo-sync(1)): list them, skip those present, copy the rest."""
