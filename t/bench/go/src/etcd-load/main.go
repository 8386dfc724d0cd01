// SPDX-License-Identifier: ISC

// Etcd-load puts keys into an etcd, or reads them, at the member that leads.
//
//	etcd-load -e HOST:PORT,... [-N COUNT] [-w IN_FLIGHT] [-s SIZE] [-connections COUNT] [-read]
//
// A read is linearizable, etcd's default, and of a key that earlier puts have set.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"strings"
	"time"

	"go.etcd.io/etcd/clientv3"

	"load"
)

// keys is how many different ones are put and read.
const keys = 10000

func connect(endpoints ...string) *clientv3.Client {
	client, err := clientv3.New(clientv3.Config{Endpoints: endpoints, DialTimeout: 10 * time.Second})
	if err != nil {
		log.Fatalf("%v: %v", endpoints, err)
	}
	return client
}

// leader is the endpoint of the member that leads.
func leader(endpoints []string) string {
	client := connect(endpoints...)
	defer client.Close()
	for _, endpoint := range endpoints {
		status, err := client.Status(context.Background(), endpoint)
		if err != nil {
			log.Fatalf("%s: %v", endpoint, err)
		}
		if status.Leader == status.Header.MemberId {
			return endpoint
		}
	}
	log.Fatalf("none of %v leads", endpoints)
	return ""
}

func key(number int) string { return fmt.Sprintf("key%06d", number%keys) }

func main() {
	endpoints := flag.String("e", "127.0.0.1:2379", "endpoints, with commas between them")
	count := flag.Int("N", 10000, "operations")
	inFlight := flag.Int("w", 1, "operations in flight")
	size := flag.Int("s", 256, "bytes of a value")
	connections := flag.Int("connections", 8, "connections")
	read := flag.Bool("read", false, "read instead of put")
	flag.Parse()
	log.SetFlags(0)
	log.SetPrefix("etcd-load: ")

	at := leader(strings.Split(*endpoints, ","))
	clients := make([]*clientv3.Client, *connections)
	for i := range clients {
		clients[i] = connect(at)
	}
	value := strings.Repeat("x", *size)
	put := func(worker, number int) error {
		_, err := clients[worker%len(clients)].Put(context.Background(), key(number), value)
		return err
	}
	get := func(worker, number int) error {
		reply, err := clients[worker%len(clients)].Get(context.Background(), key(number))
		if err == nil && len(reply.Kvs) != 1 {
			err = fmt.Errorf("%s is not set: put %d first", key(number), keys)
		}
		return err
	}
	operation := put
	if *read {
		operation = get
	}
	if err := load.Run(*count, *inFlight, operation); err != nil {
		log.Fatal(err)
	}
}
