import apps.core.ids
import apps.core.streams.fields
import django.core.serializers.json
import django.db.models.functions.datetime
from django.db import migrations, models

from apps.core.streams.operations import CreatePartitionedModel


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        CreatePartitionedModel(
            name='Event',
            every='month',
            fields=[
                ('id', models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('xid', apps.core.streams.fields.XidField()),
                ('seq', apps.core.streams.fields.SequenceField()),
                ('type', models.CharField(max_length=64)),
                ('ts', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('tenant_id', models.UUIDField()),
                ('folder_id', models.UUIDField(null=True)),
                ('subject_kind', models.CharField(max_length=32)),
                ('subject_id', models.UUIDField()),
                ('data', models.JSONField(default=dict, encoder=django.core.serializers.json.DjangoJSONEncoder)),
                ('actor_kind', models.CharField(blank=True, default='', max_length=8)),
                ('actor_id', models.CharField(blank=True, default='', max_length=64)),
            ],
            options={
                'default_permissions': ('view',),
                'indexes': [models.Index(fields=['xid', 'seq'], name='event_in_order'), models.Index(fields=['subject_id', '-seq'], name='event_by_subject'), models.Index(fields=['tenant_id', '-id'], name='event_by_tenant')],
            },
        ),
    ]
