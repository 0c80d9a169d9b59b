//go:build !unix || aix || solaris

package harness

import "os"

// canLock: without locks that end with their owner, nothing is ever taken for stale.
const canLock = false

func tryLock(*os.File) error { return nil }
