import signal
import time

from django.core.mail import send_mail
from django.core.management.base import BaseCommand
from django.db import close_old_connections
from django.utils import timezone

from catalog.models import Loan

TEXT = """Hello {reader},

“{book}” is due back on {due}.

Maple Street Library
"""


class Command(BaseCommand):
    help = "Write to readers whose loans are due; with --loop, go on until told to stop."

    def add_arguments(self, parser):
        parser.add_argument("--loop", action="store_true")
        parser.add_argument("--every", type=float, default=60, help="seconds between two rounds")

    def handle(self, *args, loop, every, **options):
        self.stopping = False
        if loop:
            signal.signal(signal.SIGTERM, self.stop)
            signal.signal(signal.SIGINT, self.stop)
        self.send_all()
        while loop and self.rest(every):
            close_old_connections()
            self.send_all()
        if loop:
            self.stdout.write("Stopped; no reminder was cut short.")

    def stop(self, *args):
        self.stopping = True

    def rest(self, seconds):
        """True when the time is over, False when we were told to stop."""
        until = time.monotonic() + seconds
        while not self.stopping and time.monotonic() < until:
            time.sleep(min(seconds, 0.5))
        return not self.stopping

    def send_all(self):
        """A reminder that was begun is finished; the others wait for the next process."""
        for loan in Loan.objects.to_remind().select_related("copy__book", "reader"):
            if self.stopping:
                return
            self.remind(loan)

    def remind(self, loan):
        book = loan.copy.book
        if loan.reader.email:
            text = TEXT.format(reader=loan.reader, book=book, due=loan.due_on)
            send_mail(f"Due back: {book}", text, None, [loan.reader.email])
        loan.reminded_at = timezone.now()
        loan.save(update_fields=["reminded_at"])
        self.stdout.write(f"Reminded {loan.reader} of “{book}”, due {loan.due_on}.")
