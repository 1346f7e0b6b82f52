module github.com/rollingkeys/rollingkeys/source/age

go 1.26.0

require (
	filippo.io/age v1.3.2
	github.com/rollingkeys/rollingkeys v0.1.0
	go.uber.org/goleak v1.3.0
)

require (
	filippo.io/hpke v0.4.0 // indirect
	golang.org/x/crypto v0.55.0 // indirect
	golang.org/x/sys v0.50.0 // indirect
)

replace github.com/rollingkeys/rollingkeys => ../..
