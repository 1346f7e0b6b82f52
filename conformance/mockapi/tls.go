package mockapi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// testCA is a certificate authority for one server, and the server's certificate.
type testCA struct {
	cert *x509.Certificate
	leaf tls.Certificate
}

// newTestCA makes the certificates. The server's is for localhost and 127.0.0.1, for host
// unless that is empty, and for the hosts of the addresses.
func newTestCA(host string, addresses ...string) (*testCA, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	// Valid in synctest bubbles too, whose clock starts in the year 2000.
	from := time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	until := time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mockapi test CA"},
		NotBefore: from, NotAfter: until, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, caKey.Public(), caKey)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "mockapi"},
		NotBefore: from, NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	names := []string{host}
	for _, address := range addresses {
		name, _, _ := net.SplitHostPort(address)
		names = append(names, name)
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else if name != "" {
			leaf.DNSNames = append(leaf.DNSNames, name)
		}
	}
	der, err = x509.CreateCertificate(rand.Reader, leaf, cert, leafKey.Public(), caKey)
	if err != nil {
		return nil, err
	}
	return &testCA{cert: cert, leaf: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: leafKey}}, nil
}

func (c *testCA) serverConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.leaf}}
}

func (c *testCA) clientConfig() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(c.cert)
	return &tls.Config{RootCAs: pool}
}

// TLSConfig returns a new TLS configuration for clients that trusts the server's
// test CA. It is nil without [WithTLS] or [WithHTTP2].
func (a *API) TLSConfig() *tls.Config {
	if a.trust == nil {
		return nil
	}
	return a.trust.clientConfig()
}

// CA returns the test CA's certificate in PEM, for clients that read it from a
// file. It is nil without [WithTLS] or [WithHTTP2].
func (a *API) CA() []byte {
	if a.trust == nil {
		return nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.trust.cert.Raw})
}
