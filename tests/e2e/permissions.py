"""stub."""


def mutate(run, only):
    raise NotImplementedError
