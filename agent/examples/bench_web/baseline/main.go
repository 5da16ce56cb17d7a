// The counter as it is usually written in Go, to compare with: net/http, and redigo with a pool of connections. -seed is
// how the counter was first written, INCR and GET on one connection, with the lock that it lacked.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/gomodule/redigo/redis"
)

const redigo = "github.com/gomodule/redigo"

func main() {
	listen := flag.String("listen", "127.0.0.1:58080", "where to serve")
	address := flag.String("redis-address", "127.0.0.1:6379", "where Redis is")
	connections := flag.Int("max-connections", 10, "connections to Redis")
	seed := flag.Bool("seed", false, "INCR and GET on one connection behind a lock")
	version := flag.Bool("version", false, "say what this was built from")
	flag.Parse()
	if *version {
		fmt.Println(builtFrom())
		return
	}
	dial := func() (redis.Conn, error) { return redis.Dial("tcp", *address) }
	hit := pooled(dial, *connections)
	if *seed {
		connection, err := dial()
		if err != nil {
			log.Fatal(err)
		}
		hit = locked(connection)
	}
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		hits, err := hit()
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, "%d", hits)
	})
	log.Fatal(http.ListenAndServe(*listen, nil))
}

// pooled counts on whichever connection is free, and waits where none is.
func pooled(dial func() (redis.Conn, error), connections int) func() (int, error) {
	pool := &redis.Pool{Dial: dial, MaxIdle: connections, MaxActive: connections, Wait: true}
	return func() (int, error) {
		connection := pool.Get()
		defer connection.Close()
		return redis.Int(connection.Do("INCR", "hits"))
	}
}

// locked counts and asks on one connection, one request after the other.
func locked(connection redis.Conn) func() (int, error) {
	var lock sync.Mutex
	return func() (int, error) {
		lock.Lock()
		defer lock.Unlock()
		if err := connection.Send("INCR", "hits"); err != nil {
			return 0, err
		}
		return redis.Int(connection.Do("GET", "hits"))
	}
}

func builtFrom() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == redigo {
				return runtime.Version() + ", redigo " + module.Version
			}
		}
	}
	return runtime.Version()
}
