"""Import before associating: makes pynetdicom 3 wait until an association's own thread is really paused.

Its `send_c_*` pauses that thread, so that the thread does not take the answer off the queue for a request of the peer. But
they go by a flag that still says "paused" while the thread is waking from the pause before; on a busy machine it then
swallows the answer, and the caller waits for nothing until its timeout.
"""

import threading

from pynetdicom.association import Association


class Checkpoint(threading.Event):
    def __init__(self, association):
        super().__init__()
        self.association = association
        self.paused = threading.Event()
        self.set()

    def wait(self, timeout=None):
        """By the association's thread."""
        if not self.is_set():
            self.paused.set()
        return super().wait(timeout)

    def clear(self):
        """By whoever wants it paused; returns when it is, or when it has ended."""
        if not self.is_set():
            return
        self.paused.clear()
        super().clear()
        if threading.current_thread() is self.association:
            return
        while self.association.is_alive() and not self.paused.wait(0.05):
            pass


def with_checkpoint(begin):
    def init(self, *args, **kwargs):
        begin(self, *args, **kwargs)
        self._reactor_checkpoint = Checkpoint(self)

    return init


Association.__init__ = with_checkpoint(Association.__init__)
