package field

import "fmt"

// A Pair has the fields of one key. ID and Passphrase may be empty.
type Pair struct{ ID, Secret, Passphrase string }

// APIKey returns the name of the variable without which there is no key.
func APIKey(prefix string) string { return names(prefix, "")[0] }

func names(prefix, suffix string) [3]string {
	if prefix != "" {
		prefix += "_"
	}
	return [3]string{prefix + "API_KEY" + suffix, prefix + "API_SECRET" + suffix, prefix + "API_PASSPHRASE" + suffix}
}

// Variables looks up the names that source.Dotenv documents. It returns the current and the
// previous key, if they are set. lookup returns the value of a name, and whether the name is
// set. Variables returns the errors of lookup unchanged.
func Variables(prefix string, lookup func(name string) (value string, set bool, err error)) ([]Pair, error) {
	var pairs []Pair
	for _, suffix := range []string{"", "_PREVIOUS"} {
		pair, err := find(names(prefix, suffix), lookup)
		if err != nil {
			return nil, err
		}
		if pair == nil {
			break
		}
		pairs = append(pairs, *pair)
	}
	return pairs, nil
}

// find returns the key with these names, or nil if it is not set.
func find(names [3]string, lookup func(string) (string, bool, error)) (*Pair, error) {
	var values [3][]byte
	var isSet [3]bool
	for i, name := range names {
		text, set, err := lookup(name)
		if err != nil {
			return nil, err
		}
		values[i], isSet[i] = Trim([]byte(text)), set
	}
	id, secret, passphrase := values[0], values[1], values[2]
	switch {
	case len(id) == 0 && len(secret)+len(passphrase) > 0:
		return nil, fmt.Errorf("%w: %s is missing, but its secret or passphrase is set", ErrInvalid, names[0])
	case len(id) == 0:
		return nil, nil
	case len(secret) == 0 && len(passphrase) > 0:
		return nil, fmt.Errorf("%w: %s needs %s as well", ErrInvalid, names[2], names[1])
	case len(secret) == 0 && isSet[1]:
		// If the ID were used as the secret, it would replace a good pair, and would be sent
		// as a bearer token.
		return nil, fmt.Errorf("%w: %s is set but empty", ErrInvalid, names[1])
	}
	var pair Pair
	fields := []*string{&pair.ID, &pair.Secret, &pair.Passphrase}
	checks := []func([]byte) (string, error){ID, Secret, Passphrase}
	if len(secret) == 0 {
		fields, checks = []*string{&pair.Secret}, []func([]byte) (string, error){Secret}
	}
	for i, check := range checks {
		if i == 2 && len(passphrase) == 0 {
			break
		}
		var err error
		if *fields[i], err = check(values[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", names[i], err)
		}
	}
	return &pair, nil
}
