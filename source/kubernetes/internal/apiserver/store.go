//go:build apiserver

package apiserver

import (
	"errors"
	"net/url"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// startStore starts an etcd with one member.
func (s *Server) startStore() error {
	peer, err := free()
	if err != nil {
		return err
	}
	if s.store, err = free(); err != nil {
		return err
	}
	config := embed.NewConfig()
	config.Dir = s.file("etcd")
	config.LogLevel = "fatal"
	config.LogOutputs = []string{"/dev/null"}
	config.UnsafeNoFsync = true
	clients, peers := url.URL{Scheme: "http", Host: s.store}, url.URL{Scheme: "http", Host: peer}
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{clients}, []url.URL{clients}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{peers}, []url.URL{peers}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	if s.etcd, err = embed.StartEtcd(config); err != nil {
		return err
	}
	select {
	case <-s.etcd.Server.ReadyNotify():
		return nil
	case <-time.After(time.Minute):
		return errors.New("etcd is not ready")
	}
}
