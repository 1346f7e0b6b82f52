package ring

// FileCacheSyncing is FileCache with another way to sync the directory.
func FileCacheSyncing(path string, syncDir func(dir string) error) Cache {
	return fileCache{path, syncDir}
}

// AllHeld reports whether the server refused every key.
func (r *Ring) AllHeld() bool { return r.snap.Load().refused }
