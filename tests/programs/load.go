// SPDX-License-Identifier: MIT

// Go has its own heap: only its C part meets the malloc under test, here from
// many goroutines, so that blocks are freed by other threads than made them.
package main

/*
#include <stdlib.h>
#include <string.h>

static unsigned char *make(size_t size, int mark)
{
	unsigned char *p = malloc(size);
	if (p != NULL)
		memset(p, mark, size);
	return p;
}

static int check(const unsigned char *p, size_t size, int mark)
{
	for (size_t i = 0; i < size; i++)
		if (p[i] != (unsigned char)mark)
			return 0;
	return 1;
}
*/
import "C"

import (
	"fmt"
	"io"
	"os"
	"sync"
	"unsafe"
)

type block struct {
	p    *C.uchar
	size int
	mark int
}

func main() {
	pipe := make(chan block, 1000)
	var makers, takers sync.WaitGroup
	var guard sync.Mutex
	count, bytes, wrong := 0, 0, 0
	for m := 0; m < 8; m++ {
		makers.Add(1)
		go func(m int) {
			defer makers.Done()
			state := uint32(m + 1)
			for i := 0; i < 60000; i++ {
				state = state*1103515245 + 12345
				size := 1 + int(state>>10)%2000
				if i%100 == 0 {
					size *= 50
				}
				pipe <- block{C.make(C.size_t(size), C.int(i%256)), size, i % 256}
			}
		}(m)
	}
	for t := 0; t < 8; t++ {
		takers.Add(1)
		go func() {
			defer takers.Done()
			for b := range pipe {
				good := C.check(b.p, C.size_t(b.size), C.int(b.mark)) == 1
				C.free(unsafe.Pointer(b.p))
				guard.Lock()
				count++
				bytes += b.size
				if !good {
					wrong++
				}
				guard.Unlock()
			}
		}()
	}
	makers.Wait()
	close(pipe)
	takers.Wait()
	for i := 0; i < 1000; i++ {
		text := C.CString(fmt.Sprint("text ", i))
		if C.GoString(text) != fmt.Sprint("text ", i) {
			wrong++
		}
		C.free(unsafe.Pointer(text))
	}
	fmt.Println("blocks", count, "bytes", bytes, "wrong", wrong)
	io.Copy(io.Discard, os.Stdin)
}
