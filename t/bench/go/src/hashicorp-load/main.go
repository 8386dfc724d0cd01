// SPDX-License-Identifier: ISC

// Hashicorp-load applies entries to three nodes of hashicorp/raft, in this process, with TCP between
// them and a BoltDB each, and a state machine that does nothing.
//
//	hashicorp-load -d FOLDER [-p BASE_PORT] [-N COUNT] [-w IN_FLIGHT] [-s SIZE]
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb"

	"load"
)

const (
	nodes       = 3
	giveUp      = 30 * time.Second
	cachedCount = 512 // entries that stay in memory, the size in its documentation
)

type nothing struct{}

func (nothing) Apply(*raft.Log) interface{}          { return nil }
func (nothing) Snapshot() (raft.FSMSnapshot, error)  { return nil, errors.New("there is no state") }
func (nothing) Restore(snapshot io.ReadCloser) error { return snapshot.Close() }

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func start(folder string, server raft.Server) *raft.Raft {
	folder = filepath.Join(folder, string(server.ID))
	must(os.MkdirAll(folder, 0o700))
	store, err := raftboltdb.NewBoltStore(filepath.Join(folder, "log"))
	must(err)
	cache, err := raft.NewLogCache(cachedCount, store)
	must(err)
	snapshots, err := raft.NewFileSnapshotStore(folder, 1, io.Discard)
	must(err)
	address, err := net.ResolveTCPAddr("tcp", string(server.Address))
	must(err)
	transport, err := raft.NewTCPTransport(string(server.Address), address, nodes, giveUp, io.Discard)
	must(err)
	config := raft.DefaultConfig()
	config.LocalID = server.ID
	config.LogOutput = io.Discard
	config.SnapshotThreshold = 1 << 40
	node, err := raft.NewRaft(config, nothing{}, cache, store, snapshots, transport)
	must(err)
	return node
}

// lead is the node that leads.
func lead(cluster []*raft.Raft) *raft.Raft {
	for began := time.Now(); time.Since(began) < giveUp; time.Sleep(50 * time.Millisecond) {
		for _, node := range cluster {
			if node.State() == raft.Leader {
				return node
			}
		}
	}
	log.Fatal("no node leads")
	return nil
}

func main() {
	folder := flag.String("d", "", "a folder for the nodes' files")
	port := flag.Int("p", 17000, "port of the first node")
	count := flag.Int("N", 10000, "operations")
	inFlight := flag.Int("w", 1, "operations in flight")
	size := flag.Int("s", 256, "bytes of an entry")
	flag.Parse()
	log.SetFlags(0)
	log.SetPrefix("hashicorp-load: ")
	if *folder == "" {
		log.Fatal("-d is missing")
	}

	var members raft.Configuration
	for i := 0; i < nodes; i++ {
		members.Servers = append(members.Servers, raft.Server{
			ID:      raft.ServerID(fmt.Sprintf("n%d", i+1)),
			Address: raft.ServerAddress(fmt.Sprintf("127.0.0.1:%d", *port+i)),
		})
	}
	var cluster []*raft.Raft
	for _, server := range members.Servers {
		cluster = append(cluster, start(*folder, server))
	}
	must(cluster[0].BootstrapCluster(members).Error())
	leader := lead(cluster)
	entry := []byte(strings.Repeat("x", *size))
	must(leader.Barrier(giveUp).Error())
	must(load.Run(*count, *inFlight, func(worker, number int) error {
		return leader.Apply(entry, giveUp).Error()
	}))
}
