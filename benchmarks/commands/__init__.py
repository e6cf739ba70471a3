"""What each verb does. Torch is imported only by the verbs that train."""
