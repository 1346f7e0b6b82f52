package source

// Ring keeps the live keys of one source.
type Ring struct{}
